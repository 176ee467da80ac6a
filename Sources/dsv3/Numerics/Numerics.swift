// `dsv3 numerics` and what stands under it.

let numericsCommand = Command(
  "dsv3 numerics",
  summary: "compares the precisions that a model can be trained in",
  subcommands: [numericsCompareCommand])
