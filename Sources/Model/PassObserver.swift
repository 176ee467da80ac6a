// Who wants to know what a pass computes and exchanges, piece by piece, as it happens. The model
// tells; what is made of it (a record of the step, a diary in a test) is not its business.

/// A piece of the model that is computed as one.
package enum StageComponent: Hashable, Sendable, CaseIterable {
  case embedding
  /// What an MTP module has in front of its block.
  case mtpJoin
  /// Norm, MLA and residual.
  case attention
  case router
  case denseFeedForward
  case sharedExperts
  case routedExperts
  /// Final norm, output head and loss.
  case head
}

/// The part of a micro-batch's way that a component is computed in.
package enum PassHalf: Hashable, Sendable {
  case forward
  /// Gradient of the input.
  case input
  /// Gradients of the weights.
  case weight
}

/// Tokens to their experts, or back; in the backward, combine's gradient is what goes to the
/// experts.
package enum TokenExchange: Hashable, Sendable {
  case dispatch
  case combine
}

/// Told of everything that one micro-batch does in one stage, in the order in which it is done.
///
/// Each call comes before what it tells of. `layer` counts MTP blocks behind the main layers and is
/// −1 for the embedding; `tokens` are those of the micro-batch.
package protocol PassObserver: AnyObject {
  func computes(_ component: StageComponent, _ half: PassHalf, layer: Int, tokens: Int)
  /// The router of a layer has chosen; its experts are asked next.
  func routed(_ routing: Routing, layer: Int)
  func starts(_ exchange: TokenExchange, _ half: PassHalf, layer: Int, tokens: Int)
  func finishes(_ exchange: TokenExchange, _ half: PassHalf, layer: Int)
}
