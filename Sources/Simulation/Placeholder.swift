// Stands here until the room's first type.
