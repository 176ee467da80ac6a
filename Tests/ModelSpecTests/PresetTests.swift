// Presets by name.

import ModelSpec
import Testing

@Suite struct PresetTests {
  @Test(arguments: ModelPreset.names)
  func everyPresetFitsAndSurvivesItsConfig(name: String) throws {
    let spec = try ModelPreset.named(name).spec
    try spec.validate(source: name)
    for spelling in ConfigSpelling.allCases {
      let bytes = spec.configJSON(spelling: spelling)
      #expect(try ModelSpec(configJSON: bytes, source: name) == spec)
    }
  }

  @Test func aTypingErrorIsAnsweredWithTheNearestName() {
    let error = #expect(throws: ModelSpecError.self) { try ModelPreset.named("dsv3-mni") }
    #expect(error?.message.hasPrefix("unknown; did you mean 'dsv3-mini'?") == true)
    #expect(error?.exitCode == 78)
    let far = #expect(throws: ModelSpecError.self) { try ModelPreset.named("gpt") }
    #expect(far?.message == "unknown; there are deepseek-v3, dsv3-mini, dsv3-mid")
  }
}
