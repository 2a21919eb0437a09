#pragma once
#include <microhttpd.h>
#include <stdarg.h>
#include <stdint.h>
// Not in the Glibc module map.
#include <sys/eventfd.h>

// MHD_start_daemon and the MHD_get_*_info functions are variadic: Swift cannot call them.
// <https://www.gnu.org/software/libmicrohttpd/manual/libmicrohttpd.html>

typedef void (*holdfast_http_logger)(void *context, const char *format, va_list arguments);

struct holdfast_http_options {
    int listen_socket;
    unsigned int threads;
    unsigned int connections;
    unsigned int idle_seconds;
    size_t connection_memory_bytes;
    void *context;
    MHD_AccessHandlerCallback handle;
    MHD_RequestCompletedCallback completed;
    MHD_NotifyConnectionCallback connected;
    void *(*request_line)(void *context, const char *uri, struct MHD_Connection *connection);
    holdfast_http_logger log;
};

static inline struct MHD_Daemon *holdfast_http_start(const struct holdfast_http_options *options) {
    return MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG | MHD_USE_ITC,
        0, NULL, NULL, options->handle, options->context,
        // First, so that the messages of the other options arrive.
        MHD_OPTION_EXTERNAL_LOGGER, options->log, options->context,
        MHD_OPTION_LISTEN_SOCKET, options->listen_socket,
        MHD_OPTION_THREAD_POOL_SIZE, options->threads,
        MHD_OPTION_CONNECTION_LIMIT, options->connections,
        MHD_OPTION_CONNECTION_TIMEOUT, options->idle_seconds,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, options->connection_memory_bytes,
        // Not stricter: what it would refuse (no Host, a blank in the target) we refuse ourselves, in our own words and
        // once. libmicrohttpd 0.9.75 writes the head of some of its refusals twice.
        MHD_OPTION_STRICT_FOR_CLIENT, 0,
        MHD_OPTION_NOTIFY_COMPLETED, options->completed, options->context,
        MHD_OPTION_NOTIFY_CONNECTION, options->connected, options->context,
        MHD_OPTION_URI_LOG_CALLBACK, options->request_line, options->context,
        MHD_OPTION_END);
}

static inline int holdfast_http_descriptor(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info ? (int)info->connect_fd : -1;
}

static inline void *holdfast_http_socket_context(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

static inline const struct sockaddr *holdfast_http_peer(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    return info ? info->client_addr : NULL;
}
