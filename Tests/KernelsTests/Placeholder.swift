// Kept until the kernels' tests land.

import Testing
