// Memory that Swift itself asks for, of arrays and objects: where the system refuses it, the
// runtime says so and aborts. Here the process leaves with EX_OSERR, as it does for lack of a
// tensor's memory, and not as if it had crashed; mpirun then ends the others.

import Glibc

/// From now on, an abort while the system has no memory left ends with 71.
func leaveOnLackOfMemory() {
  var action = sigaction()
  // Nothing here but calls that a signal handler may make.
  action.__sigaction_handler.sa_handler = { signal in
    let bytes = 64 << 20
    let probe = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    if probe == MAP_FAILED {
      let text: StaticString = """
        dsv3-worker: out of memory: the system has less than 64 MiB left; choose a smaller model, \
        sequence or micro-batch, spread it over more ranks or machines, or raise the limit \
        ('ulimit -v')

        """
      _ = write(STDERR_FILENO, text.utf8Start, text.utf8CodeUnitCount)
      _exit(71)
    }
    munmap(probe, bytes)
    // It was something else: die of it.
    Glibc.signal(signal, SIG_DFL)
    raise(signal)
  }
  sigaction(SIGABRT, &action, nil)
}
