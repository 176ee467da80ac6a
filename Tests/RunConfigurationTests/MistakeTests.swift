// What a user reads after a mistake, word for word. The expected line and column are counted by
// hand in the text above them.

import RunConfiguration
import Testing

@Suite struct MistakeTests {
  /// A configuration and the whole message it must give.
  struct Mistake: CustomTestStringConvertible, Sendable {
    var name: String
    var text: String
    var message: String
    var testDescription: String { name }

    init(_ name: String, _ text: String, _ message: String) {
      self.name = name
      self.text = text
      self.message = message
    }
  }

  static let keys = [
    Mistake(
      "typo in a key", "steps: 1\n",
      "cluster.yaml:1:1: steps: unknown key; did you mean 'training.steps'? Keys of the file "
        + "are: model, routing, cluster, layout, schedule, precision, low_precision, memory, "
        + "training, data, simulation, checkpoint, supervision, faults, run."),
    Mistake(
      "typo in a nested key", "schedule: {name: 1f1b, microbatchs: 4}\n",
      "cluster.yaml:1:24: schedule.microbatchs: unknown key; did you mean 'microbatches'? Keys "
        + "of 'schedule' are: name, file, microbatches, chunks."),
    Mistake(
      "key that resembles nothing", "data:\n  zebra: 1\n",
      "cluster.yaml:2:3: data.zebra: unknown key. Keys of 'data' are: sources, tokenizer, "
        + "held_out."),
    Mistake(
      "key given twice", "layout:\n  data: 2\n  expert: 1\n  data: 4\n",
      "cluster.yaml:4:3: the key 'data' stands twice, first on line 2"),
    Mistake(
      "model by name and by path", "model:\n  path: m\n  preset: dsv3-mini\n",
      "cluster.yaml:3:11: model.preset: model.preset and model.path exclude one another; give "
        + "only one of them"),
    Mistake(
      "schedule by name and by file", "schedule: {name: gpipe, file: a.csv}",
      "cluster.yaml:1:31: schedule.file: schedule.name and schedule.file exclude one another; "
        + "give only one of them"),
    Mistake(
      "section that is a value", "layout: 4\n",
      "cluster.yaml:1:9: layout: expected a mapping with the keys pipeline, data, expert, "
        + "stages, exchange, got '4'"),
    Mistake(
      "file that is a list", "- layout\n",
      "cluster.yaml:1:1: expected a mapping with the keys model, routing, cluster, layout, "
        + "schedule, precision, low_precision, memory, training, data, simulation, checkpoint, "
        + "supervision, faults, "
        + "run, got a list"),
    Mistake(
      "no space after the colon", "precision:fp32\n",
      "cluster.yaml:1:1: expected a mapping with the keys model, routing, cluster, layout, "
        + "schedule, precision, low_precision, memory, training, data, simulation, checkpoint, "
        + "supervision, faults, "
        + "run, got 'precision:fp32'; a space belongs after ':'"),
  ]

  static let values = [
    Mistake(
      "word for a number", "training:\n  steps: four\n",
      "cluster.yaml:2:10: training.steps: expected a whole number ≥ 1, got 'four'"),
    Mistake(
      "fraction for a whole number", "training: {sequence: 1.5}",
      "cluster.yaml:1:22: training.sequence: expected a whole number ≥ 1, got '1.5'"),
    Mistake(
      "number in quotation marks", "training: {steps: \"4\"}",
      "cluster.yaml:1:19: training.steps: expected a whole number ≥ 1, got the quoted text "
        + "\"4\"; numbers stand without quotation marks"),
    Mistake(
      "number too small", "layout: {pipeline: 0}",
      "cluster.yaml:1:20: layout.pipeline: expected a whole number ≥ 1, got '0'"),
    Mistake(
      "number too large", "layout: {pipeline: 100000}",
      "cluster.yaml:1:20: layout.pipeline: expected a whole number ≤ 65536, got '100000'"),
    Mistake(
      "number beyond 64 bits", "training: {steps: 99999999999999999999}",
      "cluster.yaml:1:19: training.steps: expected a whole number ≥ 1, got "
        + "'99999999999999999999'"),
    Mistake(
      "fraction outside its range", "data: {held_out: 1.0}",
      "cluster.yaml:1:18: data.held_out: expected a number ≥ 0 and < 1, got '1.0'"),
    Mistake(
      "not a number", "training: {learning_rate: nan}",
      "cluster.yaml:1:27: training.learning_rate: expected a number ≥ 0, got 'nan'"),
    Mistake(
      "misspelt choice", "training: {lr_schedule: constnat}",
      "cluster.yaml:1:25: training.lr_schedule: expected constant or report, got 'constnat'; "
        + "did you mean 'constant'?"),
    Mistake(
      "misspelt precision", "precision: fp16",
      "cluster.yaml:1:12: precision: expected fp32 or bf16 or fp8, got 'fp16'"),
    Mistake(
      "FP8 accumulation without FP8", "low_precision: {accumulation: promoted_every_128}",
      "cluster.yaml:1:31: low_precision.accumulation: promoted_every_128 concerns FP8 products, "
        + "but precision is fp32 (the default); choose precision: fp8, or leave this key out"),
    Mistake(
      "FP8 scaling without FP8", "precision: bf16\nlow_precision: {scaling: tensor}",
      "cluster.yaml:2:26: low_precision.scaling: tensor concerns FP8 products, but precision is "
        + "bf16; choose precision: fp8, or leave this key out"),
    Mistake(
      "FP8 gradients without FP8", "precision: bf16\nlow_precision: {gradient: blocks}",
      "cluster.yaml:2:27: low_precision.gradient: blocks concerns FP8 products, but precision is "
        + "bf16; choose precision: fp8, or leave this key out"),
    Mistake(
      "blocks of gradients with one scale for a tensor",
      "precision: fp8\nlow_precision: {scaling: delayed, gradient: blocks}",
      "cluster.yaml:2:45: low_precision.gradient: blocks of gradients share scales only with "
        + "low_precision.scaling: tiles, not delayed, which has one scale for a tensor; leave one "
        + "of the two keys out"),
    Mistake(
      "rounded attention outputs in FP32", "memory: {e5m6_attention_output: true}",
      "cluster.yaml:1:33: memory.e5m6_attention_output: keeps rounded numbers, but precision is "
        + "fp32 (the default), which rounds nothing; choose precision: bf16 or fp8, or leave this "
        + "key out"),
    Mistake(
      "rounded SwiGLU inputs in FP32", "precision: fp32\nmemory: {fp8_swiglu_inputs: true}",
      "cluster.yaml:2:29: memory.fp8_swiglu_inputs: keeps rounded numbers, but precision is fp32, "
        + "which rounds nothing; choose precision: bf16 or fp8, or leave this key out"),
    Mistake(
      "key without a value", "training:\n  steps:\n  sequence: 1",
      "cluster.yaml:2:9: training.steps: expected a whole number ≥ 1, got nothing"),
    Mistake(
      "list for a number", "training: {steps: [1]}",
      "cluster.yaml:1:19: training.steps: expected a whole number ≥ 1, got a list"),
    Mistake(
      "wrong value in a list", "layout:\n  stages: [2, two]",
      "cluster.yaml:2:15: layout.stages[1]: expected a whole number ≥ 0, got 'two'"),
    Mistake(
      "empty list", "data: {sources: []}",
      "cluster.yaml:1:17: data.sources: expected a list of files and directories, got a list "
        + "without items"),
    Mistake(
      "optional dimension", "model: {dimensions: {hidden: big, query_compression: big}}",
      "cluster.yaml:1:30: model.dimensions.hidden: expected a whole number ≥ 1 or default, got "
        + "'big'"),
    Mistake(
      "optional dimension that may be none", "model: {dimensions: {query_compression: 0}}",
      "cluster.yaml:1:41: model.dimensions.query_compression: expected a whole number ≥ 1 or "
        + "none or default, got '0'"),
    Mistake(
      "expert group that does not divide", "layout:\n  data: 6\n  expert: 4\n",
      "cluster.yaml:3:11: layout.expert: 4 does not divide layout.data = 6; it may be 1, 2, 3, 6"),
    Mistake(
      "default expert group that does not divide", "layout: {data: 6}\n",
      "layout.expert: 4 (the default) does not divide layout.data = 6; it may be 1, 2, 3, 6"),
  ]

  static let syntax = [
    Mistake(
      "tab as indentation", "layout:\n\tpipeline: 4\n",
      "cluster.yaml:2:1: not valid YAML: a tab stands here; indent with spaces"),
    Mistake(
      "missing colon", "training:\n  steps 4\n  sequence: 8\n",
      "cluster.yaml:3:11: not valid YAML: a ':' does not fit here; the line above may lack its "
        + "':', or the indentation is off"),
    Mistake(
      "missing colon among keys", "training:\n  seed: 1\n  steps 4\n  sequence: 8\n",
      "cluster.yaml:3:3: not valid YAML: a key here is not followed by ':' and a space"),
    Mistake(
      "missing colon after a section", "layout\n  pipeline: 4\n",
      "cluster.yaml:2:11: not valid YAML: a ':' does not fit here; the line above may lack its "
        + "':', or the indentation is off"),
    Mistake(
      "unclosed bracket", "data:\n  sources: [docs, Sources\n  held_out: 0.1\n",
      "cluster.yaml:3:11: not valid YAML: expected ',' or ']' in the list that '[' begins at "
        + "line 2, column 12"),
    Mistake(
      "unclosed brace", "layout: {pipeline: 4\nprecision: fp32\n",
      "cluster.yaml:2:10: not valid YAML: expected ',' or '}' in the mapping that '{' begins at "
        + "line 1, column 9"),
    Mistake(
      "missing comma", "layout: {pipeline: 4 data: 4}\n",
      "cluster.yaml:1:26: not valid YAML: expected ',' or '}' in the mapping that '{' begins at "
        + "line 1, column 9"),
    Mistake(
      "unclosed quotation mark", "run: {directory: \"runs/a}\n",
      "cluster.yaml:2:1: not valid YAML: the quotation mark at line 1, column 18 is not closed"),
    Mistake(
      "wrong indentation", "layout:\n  pipeline: 4\n data: 4\n",
      "cluster.yaml:3:2: not valid YAML: expected a key; the indentation differs from that of "
        + "the keys above"),
    Mistake(
      "second document", "precision: fp32\n---\nprecision: fp32\n",
      "cluster.yaml:2:1: a second YAML document begins here; a configuration is one document"),
    Mistake(
      "anchor", "layout: &a {data: 4}\n",
      "cluster.yaml:1:9: YAML anchors ('&name') are not supported; write the value where it is "
        + "needed"),
    Mistake(
      "alias", "layout: *a\n",
      "cluster.yaml:1:9: YAML aliases ('*name') are not supported; write the value itself"),
    Mistake(
      "tag", "precision: !!str fp32\n",
      "cluster.yaml:1:12: YAML tags are not supported (here 'tag:yaml.org,2002:str'); write the "
        + "plain value"),
    Mistake(
      "list as a key", "? [a]\n: 1\n",
      "cluster.yaml:1:3: a key is a name; a list or a mapping cannot be one"),
    Mistake(
      "control character", "precision: fp32\nrun: \u{1}\n",
      "cluster.yaml:2:6: not readable text: control characters are not allowed; a configuration "
        + "is plain UTF-8"),
    Mistake(
      "NUL in a text", "run: {directory: \"a\\0b\"}\n",
      "cluster.yaml:1:18: a value cannot contain a NUL character"),
    Mistake(
      "deep nesting", String(repeating: "[", count: 40),
      "cluster.yaml:1:18: nested deeper than 16 levels"),
    Mistake(
      "enormous file", String(repeating: "#", count: 262_145),
      "cluster.yaml:1:1: 262145 bytes are too many; a configuration has at most 262144"),
  ]

  @Test(arguments: keys + values + syntax)
  func messageNamesThePlaceAndWhatWouldBeRight(_ mistake: Mistake) {
    #expect(refusal(mistake.text) == mistake.message)
  }

  @Test(arguments: [
    (
      "layout.pipline=2",
      "--set layout.pipline=2: unknown key; did you mean 'pipeline'? Keys of 'layout' are: "
        + "pipeline, data, expert, stages, exchange."
    ),
    (
      "pipeline=2",
      "--set pipeline=2: unknown key; did you mean 'layout.pipeline'? Keys of the file are: "
        + "model, routing, cluster, layout, schedule, precision, low_precision, memory, training, "
        + "data, simulation, checkpoint, supervision, faults, run."
    ),
    (
      "layout={pipline: 2}",
      "--set layout={pipline: 2}: layout.pipline: unknown key; did you mean 'pipeline'? Keys of "
        + "'layout' are: pipeline, data, expert, stages, exchange."
    ),
    ("training.steps=four", "--set training.steps=four: expected a whole number ≥ 1, got 'four'"),
    ("training.steps=", "--set training.steps=: expected a whole number ≥ 1, got nothing"),
    (
      "layout=",
      "--set layout=: expected a mapping with the keys pipeline, data, expert, stages, "
        + "exchange, got nothing"
    ),
    (
      "layout.stages=[1, 2",
      "--set layout.stages=[1, 2: not valid YAML: expected ',' or ']' in the list that "
        + "'[' begins at line 1, column 1"
    ),
    (
      "training.steps.more=1",
      "--set training.steps.more=1: 'training.steps' is a value and has no keys below it"
    ),
    ("=1", "--set =1: expected KEY=VALUE, such as --set layout.pipeline=2"),
    ("layout.data", "--set layout.data: expected KEY=VALUE, such as --set layout.pipeline=2"),
    (
      "layout.expert=3",
      "--set layout.expert=3: 3 does not divide layout.data = 4 (the default); it may be 1, 2, 4"
    ),
  ])
  func messageNamesTheOverride(override: String, message: String) {
    #expect(refusal("", set: [override]) == message)
  }

  @Test func bothOfAPairAmongOverridesAreRefused() {
    #expect(
      refusal("", set: ["schedule.name=gpipe", "schedule.file=a.csv"])
        == "--set schedule.file=a.csv: schedule.name and schedule.file exclude one another; give "
        + "only one of them")
  }

  @Test func errorsCarryTheirPartsAndExitCodes() throws {
    let error = #expect(throws: ConfigurationError.self) {
      try configuration("training:\n  steps: four\n")
    }
    #expect(error?.file == "cluster.yaml" && error?.line == 2 && error?.column == 10)
    #expect(error?.keyPath == "training.steps" && error?.value == "four")
    #expect(error?.exitCode == 78)
    let usage = #expect(throws: ConfigurationError.self) {
      try configuration("", set: ["layout.data"])
    }
    #expect(usage?.exitCode == 64)
  }

  @Test func bytesThatAreNotTextAreRefusedWithTheirPlace() {
    // "precision: " is 11 characters; 0xFF begins no UTF-8 sequence.
    let bytes = Array("# é\nprecision: ".utf8) + [0xFF]
    let error = #expect(throws: ConfigurationError.self) {
      try RunConfiguration.read(bytes: bytes, file: "cluster.yaml")
    }
    #expect(
      error?.description
        == "cluster.yaml:2:12: not readable text: invalid leading UTF-8 octet; a configuration "
        + "is plain UTF-8")
  }

  @Test func moreTokensThan64BitsAreRefused() {
    let text =
      "training: {steps: 1000000000, sequence: 1048576, micro_batch: 4096}\n"
      + "schedule: {microbatches: 4096}\nlayout: {data: 65536}"
    #expect(
      refusal(text)
        == "cluster.yaml:1:19: training.steps: steps × sequence × micro_batch × microbatches × "
        + "layout.data, the tokens of the run, does not fit 64 bits")
  }
}
