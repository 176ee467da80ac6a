/* What Swift cannot import of mpi.h: Open MPI's constants are casting macros. */
#ifndef DSV3_OPENMPI_SHIM_H
#define DSV3_OPENMPI_SHIM_H
#include <mpi.h>

static inline MPI_Comm dsv3_comm_world(void) { return MPI_COMM_WORLD; }
static inline MPI_Comm dsv3_comm_null(void) { return MPI_COMM_NULL; }
static inline MPI_Comm dsv3_comm_self(void) { return MPI_COMM_SELF; }
static inline MPI_Datatype dsv3_byte(void) { return MPI_BYTE; }
static inline MPI_Datatype dsv3_float(void) { return MPI_FLOAT; }
static inline MPI_Datatype dsv3_double(void) { return MPI_DOUBLE; }
static inline MPI_Datatype dsv3_int32(void) { return MPI_INT32_T; }
static inline MPI_Datatype dsv3_int64(void) { return MPI_INT64_T; }
static inline MPI_Op dsv3_sum(void) { return MPI_SUM; }
static inline MPI_Op dsv3_max(void) { return MPI_MAX; }
static inline MPI_Op dsv3_min(void) { return MPI_MIN; }
static inline MPI_Request dsv3_request_null(void) { return MPI_REQUEST_NULL; }
static inline MPI_Status *dsv3_status_ignore(void) { return MPI_STATUS_IGNORE; }
static inline MPI_Errhandler dsv3_errors_return(void) { return MPI_ERRORS_RETURN; }
static inline void *dsv3_in_place(void) { return MPI_IN_PLACE; }
static inline MPI_Info dsv3_info_null(void) { return MPI_INFO_NULL; }
static inline MPI_Status *dsv3_statuses_ignore(void) { return MPI_STATUSES_IGNORE; }
#endif
