// `dsv3 numerics` and what stands under it: the arithmetic of low-precision training, one piece at
// a time, and what it does to the loss.

let numericsCommand = Command(
  "dsv3 numerics",
  summary: "low-precision formats, products, and training compared",
  subcommands: [
    numericsCastCommand,
    numericsGemmCommand,
    numericsCompareCommand,
  ])
