import Model
import ModelSpec
let b = try StepBenchmark(ModelPreset.mid.spec, sequences: 4, length: 256, steps: 8)
print(b.kernels, "ceiling", b.ceiling, "GF; step", b.seconds, "fb", b.forwardBackwardSeconds, "opt", b.optimizerSeconds, "GF", b.gigaFLOPs, "share", b.shareOfCeiling, "tok/cpu-s", b.tokensPerCPUSecond, "peak", b.peakTensorBytes >> 20)
