/* CBLAS and OpenBLAS's own switches. */
#ifndef DSV3_OPENBLAS_SHIM_H
#define DSV3_OPENBLAS_SHIM_H
#include <cblas.h>
#endif
