/* libmicrohttpd: the web server of the dashboard. */
#ifndef DSV3_MICROHTTPD_SHIM_H
#define DSV3_MICROHTTPD_SHIM_H
#include <microhttpd.h>
#endif
