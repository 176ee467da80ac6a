// `dsv3 config` and `dsv3 presets`: what comes out reads back, and what is wrong is named.

import JSON
import ModelSpec
import RunConfiguration
import Testing
import Training

@Suite struct ConfigTests {
  @Test func theShippedFileIsAllDefaults() throws {
    let output = try Binary.run(["config"])
    #expect(output.code == 0 && output.error == "")
    #expect(!output.standard.contains("#"))
    let read = try RunConfiguration.read(bytes: Array(output.standard.utf8), file: "out")
    #expect(read == RunConfiguration())
  }

  @Test func whatIsSetIsMarkedAndReadsBack() throws {
    let output = try Binary.run(["config", "--set", "training.steps=7", "--set=training.seed=3"])
    #expect(output.code == 0)
    #expect(output.standard.contains("\n  steps: 7  # default: 150\n"))
    #expect(output.standard.contains("\n  seed: 3  # default: 1\n"))
    let read = try RunConfiguration.read(bytes: Array(output.standard.utf8), file: "out")
    #expect(read.plan.steps == 7 && read.plan.seed == 3)
  }

  @Test func jsonHasTheSameKeys() throws {
    let output = try Binary.run(["config", "--json", "--set", "schedule.microbatches=8"])
    guard case .object(let members) = try JSONValue(parsing: Array(output.standard.utf8)),
      case .object(let schedule) = members["schedule"]
    else {
      Issue.record("no object: \(output.standard)")
      return
    }
    #expect(
      schedule == ["name": .string("dualpipe"), "microbatches": .integer(8), "chunks": .integer(2)])
  }

  @Test(arguments: [
    ("schedule.name=dualpip", 78, "--set schedule.name=dualpip: unknown schedule"),
    ("model.preset=dsv3-min", 78, "did you mean 'dsv3-mini'?"),
    ("schedule.microbatches=6", 78, "at least 2 × ranks micro-batches"),
    ("layout.pipeline=3", 78, "an even number of ranks"),
    ("model.dimensions.groups=3", 78, "--set model.dimensions.groups=3: "),
    ("model.vocabulary=100", 78, "the tokenizer 'bytes' needs 259"),
    ("model.path=nowhere", 66, "nowhere/config.json: no such file"),
    ("schedule.file=nothing.csv", 66, "nothing.csv: no such file"),
    ("layout.expert=3", 78, "does not divide layout.data"),
    ("model.dimensions.layers=2", 78, "4 pipeline ranks for a model of 2 layers"),
    ("trainig.steps=1", 78, "did you mean 'training'?"),
    ("steps", 64, "expected KEY=VALUE"),
  ])
  func whatARunWouldRefuseIsRefused(_ setting: String, _ code: Int32, _ message: String) throws {
    let output = try Binary.run(["config", "--set", setting])
    #expect(output.code == code, "\(output.error)")
    #expect(output.standard == "")
    #expect(output.error.contains(message), "\(output.error)")
  }

  @Test func aMissingFileExitsWith66() throws {
    let output = try Binary.run(["config", "--config", "nowhere.yaml"])
    #expect(output.code == 66)
    #expect(output.error.contains("nowhere.yaml"))
  }

  @Test func theVocabularyIsTheTokenizers() {
    #expect(TokenizerKind.bytes.vocabularySize == ByteTokenizer().vocabularySize)
  }

  /// 671B parameters and 37B activated, as the report's abstract has it.
  @Test func presetsHaveTheReportsSizes() throws {
    let output = try Binary.run(["presets", "--json"])
    guard case .object(let members) = try JSONValue(parsing: Array(output.standard.utf8)),
      case .array(let models) = members["models"]
    else {
      Issue.record("no models: \(output.standard)")
      return
    }
    let names = models.compactMap { model -> String? in
      guard case .object(let members) = model, case .string(let name) = members["name"],
        case .integer(let parameters) = members["parameters"],
        case .integer(let activated) = members["activated_parameters"]
      else { return nil }
      if name == "deepseek-v3" {
        #expect(parameters / 1_000_000_000 == 671)
        #expect(activated / 1_000_000_000 == 37)
      }
      return name
    }
    #expect(names == ModelPreset.names)
    let text = try Binary.run(["presets"]).standard
    #expect(text.contains("deepseek-v3       671 B"))
  }
}
