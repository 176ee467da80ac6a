// A forward and a backward micro-batch as one unit (report section 3.2.1, figure 4): the four
// components of both interleave so that each exchange is in flight under the other's compute.
//
//   compute   MLP(B)       MLP(W) │ MLP(F) │ ATTN(B) ATTN(W) │ ATTN(F)
//   exchange  DISPATCH(F)  DISPATCH(B)     │ COMBINE(F)      │ COMBINE(B)
//
// MLP(W) waits for nothing and nothing waits for it, so DISPATCH(B) starts before it.

package import Model

package enum OverlappedPair {
  /// Runs both to their end. The backward is a full one: weight halves run in their places.
  package static func run(_ forward: StageForward, _ backward: StageBackward) throws {
    while !backward.isDone && !forward.isDone {
      try backward.startCombine()
      forward.attention()
      try forward.startDispatch()
      try backward.finishCombine()
      backward.mlpInput()
      try backward.startDispatch()
      backward.weights.perform()

      forward.sharedExperts()
      try forward.finishDispatch()
      forward.routedExperts()

      try forward.startCombine()
      try backward.finishDispatch()
      backward.attentionInput()
      backward.weights.perform()
      try forward.finishCombine()
    }
    // Stages of different length: the longer one goes on alone.
    if !forward.isDone { try forward.run() }
    if !backward.isDone { try backward.run { backward.weights.perform() } }
  }
}
