// `dsv3 numerics`: the number formats and sums of low-precision training, by themselves.

let numericsCommand = Command(
  "dsv3 numerics",
  summary: "sums FP8 products as GPUs do",
  subcommands: [numericsGemmCommand])
