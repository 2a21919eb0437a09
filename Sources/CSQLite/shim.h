#pragma once
// Debian's library has the hook. Weak: with one that does not, all but the chain works (`ChainKeeper.isPossible`).
#define SQLITE_ENABLE_PREUPDATE_HOOK
#include <sqlite3.h>
#pragma weak sqlite3_preupdate_hook
#pragma weak sqlite3_preupdate_old
#pragma weak sqlite3_preupdate_new

// sqlite3_db_config is variadic: Swift cannot call it. <https://sqlite.org/c3ref/db_config.html>
static inline int holdfast_sqlite_db_config_flag(sqlite3 *database, int operation, int value) {
    return sqlite3_db_config(database, operation, value, (int *)0);
}

// Variadic too. <https://sqlite.org/c3ref/config.html>
static inline int holdfast_sqlite_config_flag(int operation, int value) { return sqlite3_config(operation, value); }

// SQLITE_TRANSIENT is a cast of -1 to a function pointer, which Swift does not import: SQLite copies the bytes.
static inline int holdfast_sqlite_bind_text(sqlite3_stmt *statement, int index, const char *text, int bytes) {
    return sqlite3_bind_text(statement, index, text, bytes, SQLITE_TRANSIENT);
}
static inline int holdfast_sqlite_bind_blob(sqlite3_stmt *statement, int index, const void *blob, int bytes) {
    return sqlite3_bind_blob(statement, index, blob, bytes, SQLITE_TRANSIENT);
}
static inline void holdfast_sqlite_result_text(sqlite3_context *context, const void *text, int bytes) {
    sqlite3_result_text(context, (const char *)text, bytes, SQLITE_TRANSIENT);
}
static inline void holdfast_sqlite_result_blob(sqlite3_context *context, const void *blob, int bytes) {
    sqlite3_result_blob(context, blob, bytes, SQLITE_TRANSIENT);
}
// For bytes that stay where they are as long as the connection: SQLITE_STATIC.
static inline void holdfast_sqlite_result_lasting_text(sqlite3_context *context, const void *text, int bytes) {
    sqlite3_result_text(context, (const char *)text, bytes, SQLITE_STATIC);
}

// SQLite's parts of a virtual table and of its cursors, with ours behind them. <https://sqlite.org/vtab.html>
typedef struct holdfast_vtab {
    sqlite3_vtab base;
    void *table;
} holdfast_vtab;
typedef struct holdfast_vtab_cursor {
    sqlite3_vtab_cursor base;
    void *cursor;
} holdfast_vtab_cursor;
