/* libmicrohttpd: the web server of the dashboard. MHD_start_daemon is variadic, which Swift can't
   call; its results are an enumeration whose import depends on the version. */
#ifndef DSV3_MICROHTTPD_SHIM_H
#define DSV3_MICROHTTPD_SHIM_H
#include <microhttpd.h>

struct dsv3_web_settings {
  /* Bound and listening; the daemon closes it. */
  int socket;
  /* Bytes of a connection's head and buffers: a longer head is refused. */
  unsigned long connection_memory;
  unsigned int connections;
  /* Seconds without a byte after which a connection is closed. */
  unsigned int idle_seconds;
  MHD_AccessHandlerCallback answer;
  MHD_NotifyConnectionCallback connection_changed;
  MHD_RequestCompletedCallback request_ended;
  /* As it comes: paths are decoded by who looks at them. */
  size_t (*unescape)(void *context, struct MHD_Connection *connection, char *text);
  void *context;
};

/* One thread that waits with epoll for all its connections. */
static inline struct MHD_Daemon *dsv3_web_start(const struct dsv3_web_settings *settings) {
  return MHD_start_daemon(
    MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC, 0, NULL, NULL,
    settings->answer, settings->context,
    MHD_OPTION_LISTEN_SOCKET, settings->socket,
    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)settings->connection_memory,
    MHD_OPTION_CONNECTION_LIMIT, settings->connections,
    MHD_OPTION_CONNECTION_TIMEOUT, settings->idle_seconds,
    MHD_OPTION_NOTIFY_CONNECTION, settings->connection_changed, settings->context,
    MHD_OPTION_NOTIFY_COMPLETED, settings->request_ended, settings->context,
    MHD_OPTION_UNESCAPE_CALLBACK, settings->unescape, settings->context,
    MHD_OPTION_STRICT_FOR_CLIENT, 1,
    MHD_OPTION_END);
}

/* The connection's socket, -1 when there is none. */
static inline int dsv3_web_socket(struct MHD_Connection *connection) {
  const union MHD_ConnectionInfo *info =
    MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  return info ? info->connect_fd : -1;
}

/* Headers or arguments, as they came. */
static inline void dsv3_web_headers(
  struct MHD_Connection *connection, MHD_KeyValueIterator each, void *context
) {
  MHD_get_connection_values(connection, MHD_HEADER_KIND, each, context);
}
static inline void dsv3_web_arguments(
  struct MHD_Connection *connection, MHD_KeyValueIterator each, void *context
) {
  MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, each, context);
}
/* The value of the first header of that name, null without one (the kind is an anonymous enum). */
static inline const char *dsv3_web_header(struct MHD_Connection *connection, const char *name) {
  return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}
#endif
