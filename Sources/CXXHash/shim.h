/* xxHash: checksums of the files of a checkpoint. */
#ifndef DSV3_XXHASH_SHIM_H
#define DSV3_XXHASH_SHIM_H
#include <xxhash.h>
#endif
