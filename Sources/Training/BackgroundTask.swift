// Work off the step's path: a thread that performs one task whenever it is asked to, once at a
// time. What it works on is handed to it and back with two semaphores.

internal import Glibc

/// A task with a thread of its own. All methods are called on the owner's thread.
///
/// From `start()` until `wait()` returns, what the task touches is the thread's; otherwise it is
/// the owner's. Posting a semaphore comes before the wait that it ends (POSIX 4.15), so each sees
/// what the other wrote, and an owner that keeps to this has no data race.
final class BackgroundTask {
  /// What both threads know.
  private final class Handover {
    let asked = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
    let done = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
    /// Written before `asked` is posted for the last time.
    var isEnding = false
    let task: () -> Void

    init(_ task: @escaping () -> Void) {
      self.task = task
      for semaphore in [asked, done] {
        precondition(sem_init(semaphore, 0, 0) == 0, "a semaphore of value 0 can be made")
      }
    }

    deinit {
      for semaphore in [asked, done] {
        sem_destroy(semaphore)
        semaphore.deallocate()
      }
    }

    func serve() {
      while true {
        Self.take(asked)
        if isEnding { return }
        task()
        sem_post(done)
      }
    }

    /// Waits for a post; signals in between change nothing.
    static func take(_ semaphore: UnsafeMutablePointer<sem_t>) {
      while sem_wait(semaphore) != 0 {
        precondition(errno == EINTR, "a semaphore is waited for until it is destroyed")
      }
    }
  }

  private let handover: Handover
  private var thread = pthread_t()
  private(set) var isRunning = false

  /// - Parameter task: must not hold on to the owner.
  init(_ task: @escaping () -> Void) {
    handover = Handover(task)
    let code = pthread_create(
      &thread, nil,
      { argument in
        guard let argument else { preconditionFailure("the thread is given its handover") }
        Unmanaged<Handover>.fromOpaque(argument).takeRetainedValue().serve()
        return nil
      }, Unmanaged.passRetained(handover).toOpaque())
    precondition(code == 0, "cannot start a thread: \(String(cString: strerror(code)))")
  }

  /// Lets the thread perform the task once.
  func start() {
    precondition(!isRunning, "a task is waited for before it is started again")
    isRunning = true
    sem_post(handover.asked)
  }

  /// Whether the task is done, or was not started. Doesn't wait.
  var isDone: Bool {
    guard isRunning else { return true }
    while sem_trywait(handover.done) != 0 {
      if errno != EINTR { return false }
    }
    isRunning = false
    return true
  }

  /// Returns when the task is done; at once when it was not started.
  func wait() {
    guard isRunning else { return }
    Handover.take(handover.done)
    isRunning = false
  }

  /// Ends the thread, after the task if that is running.
  deinit {
    wait()
    handover.isEnding = true
    sem_post(handover.asked)
    pthread_join(thread, nil)
  }
}
