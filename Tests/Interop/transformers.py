#!/usr/bin/env python3
"""Whether Hugging Face's transformers loads what `dsv3 checkpoint export` writes, and computes the
same logits as `dsv3 evaluate`.

    Tests/Interop/transformers.py [RUN[@STEP]|DIR]

Without an argument it trains a small model on 4 ranks first. Skips, with a reason and code 0, where
torch or transformers is absent. The tolerance is max|a - b| / max|b| <= 2e-5 for fp32 weights, as
for the golden values; for bf16 weights both compute in fp32 from the same weights, so it is the
same.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

# This file has the name of the package that it is about.
sys.path[:] = [p for p in sys.path if pathlib.Path(p or ".").resolve() != pathlib.Path(__file__).resolve().parent]

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("DSV3_BIN", ROOT / ".build/release"))
TOLERANCE = 2e-5


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(0)


def run(*arguments):
    return subprocess.run([str(a) for a in arguments], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def train(folder):
    settings = [
        "layout={pipeline: 2, data: 2, expert: 2}", "schedule.microbatches=4", "training.ema_decay=0.9",
        "training.warmup_steps=2", "checkpoint.every=10",
    ]
    options = [part for setting in settings for part in ("--set", setting)]
    run(".make/with-mpi", "mpirun", "-n", 4, BIN / "dsv3-worker", "--quiet", "--steps", 10,
        "--run-dir", folder, *options)
    return folder / "checkpoints/latest"


def compare(model_directory, scratch, torch, transformers, safetensors):
    config = transformers.AutoConfig.from_pretrained(model_directory)
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(config.vocab_size, (2, 48), generator=generator)
    safetensors.save_file({"input_ids": tokens}, scratch / "inputs.safetensors")
    run(BIN / "dsv3", "evaluate", "--checkpoint", model_directory,
        "--inputs", scratch / "inputs.safetensors", "--output", scratch / "outputs.safetensors")
    own = safetensors.load_file(scratch / "outputs.safetensors")["logits"]

    model, loading = transformers.AutoModelForCausalLM.from_pretrained(
        model_directory, dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
    assert type(model).__name__ == "DeepseekV3ForCausalLM", type(model)
    assert not loading["missing_keys"], loading["missing_keys"]
    # MTP modules stand behind the last layer and are no part of this class.
    behind = tuple(f"model.layers.{config.num_hidden_layers + k}." for k in range(config.num_nextn_predict_layers or 0))
    strange = [key for key in loading["unexpected_keys"] if not key.startswith(behind)]
    assert not strange, strange
    with torch.no_grad():
        theirs = model.eval()(tokens).logits
    return float((own - theirs).abs().max() / theirs.abs().max())


def main():
    try:
        import safetensors.torch as safetensors
        import torch
        import transformers
    except ImportError as error:
        skip(f"{error.name} is not installed (pip install torch transformers safetensors)")
    for program in ["dsv3", "dsv3-worker"]:
        if not (BIN / program).exists():
            skip(f"{BIN / program} is not built (make build)")
    worst = 0.0
    with tempfile.TemporaryDirectory() as name:
        scratch = pathlib.Path(name)
        checkpoint = sys.argv[1] if len(sys.argv) > 1 else train(scratch / "run")
        state = run(BIN / "dsv3", "checkpoint", "inspect", "--json", checkpoint)
        has_mean = '"average_updates" : 0,' not in state
        for options in [[], ["--dtype", "bf16"]] + ([["--average"]] if has_mean else []):
            output = scratch / ("model" + "".join(options))
            run(BIN / "dsv3", "checkpoint", "export", checkpoint, "--output", output, *options)
            error = compare(output, scratch, torch, transformers, safetensors)
            print(f"{' '.join(options) or 'f32'}: logits differ by {error:.1e} of the largest")
            worst = max(worst, error)
    print(f"transformers {transformers.__version__}, torch {torch.__version__}: "
          f"{'the same' if worst <= TOLERANCE else 'NOT the same'} within {TOLERANCE}")
    sys.exit(0 if worst <= TOLERANCE else 1)


main()
