// Stands here until the suite's first test.
