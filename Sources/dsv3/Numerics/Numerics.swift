// `dsv3 numerics` and what stands under it: the arithmetic of low-precision training, one piece at
// a time, on files.

let numericsCommand = Command(
  "dsv3 numerics",
  summary: "low-precision arithmetic on files",
  subcommands: [
    numericsCastCommand
  ])
