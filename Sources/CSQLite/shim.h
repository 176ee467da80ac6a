/* SQLite: the history of runs. */
#ifndef DSV3_SQLITE_SHIM_H
#define DSV3_SQLITE_SHIM_H
#include <sqlite3.h>
#endif
