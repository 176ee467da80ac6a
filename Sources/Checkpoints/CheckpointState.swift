// state.json of a checkpoint: how far the run was, and the settings that it had.

package import JSON
package import Model
internal import ModelSpec

package struct CheckpointState: Equatable, Sendable {
  static let format = 2
  package static let file = "state.json"

  package var stepsDone: Int
  package var totalSteps: Int
  package var worldSize: Int
  /// Sequences of one step at its largest, over all data ranks.
  package var globalBatch: Int
  /// Sequences trained on: the run's next one has this number.
  package var sequences: Int
  /// Updates that the mean of the weights stands for (`WeightAverage.effectiveUpdates`), 0 without
  /// one.
  package var averageUpdates: Double
  /// Identity of the text, a fingerprint of its tokens.
  package var text: String
  /// By key of cluster.yaml: model, layout, schedule and seed.
  package var settings: [String: JSONValue]

  package init(
    stepsDone: Int, totalSteps: Int, worldSize: Int, globalBatch: Int, sequences: Int,
    averageUpdates: Double, text: String, settings: [String: JSONValue]
  ) {
    self.stepsDone = stepsDone
    self.totalSteps = totalSteps
    self.worldSize = worldSize
    self.globalBatch = globalBatch
    self.sequences = sequences
    self.averageUpdates = averageUpdates
    self.text = text
    self.settings = settings
  }

  package var json: [UInt8] {
    JSONValue.object([
      "format": .integer(Self.format), "steps_done": .integer(stepsDone),
      "total_steps": .integer(totalSteps), "world_size": .integer(worldSize),
      "global_batch": .integer(globalBatch), "sequences": .integer(sequences),
      "average_updates": .number(averageUpdates), "text": .string(text),
      "settings": .object(settings),
    ]).text()
  }

  /// Reads state.json of a checkpoint.
  /// - Throws: `CheckpointError` when it is missing, no JSON, of another format, or lacks a key.
  package init(checkpoint: String) throws(CheckpointError) {
    let path = "\(checkpoint)/\(Self.file)"
    func bad(_ message: String) -> CheckpointError {
      CheckpointError(.badData, file: path, message: message)
    }
    let value: JSONValue
    do {
      value = try JSONValue(parsing: try readSmallFile(path))
    } catch let error as ModelSpecError {
      throw CheckpointError(
        error.problem == .missingFile ? .missingFile : .inputOutput, file: path,
        message: error.message)
    } catch let error as JSONValue.Malformed {
      throw bad(error.reason)
    } catch {
      throw bad("\(error)")
    }
    guard case .object(let members) = value else { throw bad("not a JSON object") }
    func integer(_ key: String) throws(CheckpointError) -> Int {
      guard case .integer(let number)? = members[key], number >= 0 else {
        throw bad("\(key): \(members[key]?.description ?? "nothing") where a number is needed")
      }
      return number
    }
    let format = try integer("format")
    guard format == Self.format else {
      throw bad("format \(format) where this program reads \(Self.format)")
    }
    stepsDone = try integer("steps_done")
    totalSteps = try integer("total_steps")
    worldSize = try integer("world_size")
    globalBatch = try integer("global_batch")
    sequences = try integer("sequences")
    averageUpdates =
      switch members["average_updates"] {
      case .number(let number)? where number > 0: number
      case .integer(let number)? where number >= 0: Double(number)
      case nil: 0
      case let other?: throw bad("average_updates: \(other) where a number ≥ 0 is needed")
      }
    guard case .string(let text)? = members["text"],
      case .object(let settings)? = members["settings"]
    else { throw bad("no key 'text' or 'settings'") }
    self.text = text
    self.settings = settings
  }
}
