// The spool's tables as an extension of SQLite, for whatever program loads it.
//
// The code that reads spools is that of the daemon, and calls SQLite by its functions' names. Here these names are ours:
// each hands on to the library of the program that has loaded us, through the table that SQLite gives to extensions, so
// that no second SQLite comes into the process (https://sqlite.org/loadext.html, https://sqlite.org/howtocorrupt.html,
// 2.2.1). Hidden: no other library of the program ever finds them.
#include <sqlite3ext.h>
#include <stdarg.h>
#include <stddef.h>

#include "holdfast_sqlite_extension.h"

SQLITE_EXTENSION_INIT1

#define HOST __attribute__((visibility("hidden")))

#undef sqlite3_backup_finish
#undef sqlite3_backup_init
#undef sqlite3_backup_pagecount
#undef sqlite3_backup_remaining
#undef sqlite3_backup_step
#undef sqlite3_bind_blob
#undef sqlite3_bind_blob64
#undef sqlite3_bind_int64
#undef sqlite3_bind_null
#undef sqlite3_bind_text
#undef sqlite3_busy_timeout
#undef sqlite3_changes64
#undef sqlite3_clear_bindings
#undef sqlite3_close_v2
#undef sqlite3_column_blob
#undef sqlite3_column_bytes
#undef sqlite3_column_count
#undef sqlite3_column_double
#undef sqlite3_column_int64
#undef sqlite3_column_name
#undef sqlite3_column_text
#undef sqlite3_column_type
#undef sqlite3_create_function_v2
#undef sqlite3_create_module_v2
#undef sqlite3_db_status
#undef sqlite3_declare_vtab
#undef sqlite3_errmsg
#undef sqlite3_error_offset
#undef sqlite3_errstr
#undef sqlite3_exec
#undef sqlite3_extended_errcode
#undef sqlite3_finalize
#undef sqlite3_free
#undef sqlite3_get_autocommit
#undef sqlite3_hard_heap_limit64
#undef sqlite3_last_insert_rowid
#undef sqlite3_libversion
#undef sqlite3_libversion_number
#undef sqlite3_limit
#undef sqlite3_malloc64
#undef sqlite3_next_stmt
#undef sqlite3_open_v2
#undef sqlite3_prepare_v3
#undef sqlite3_progress_handler
#undef sqlite3_reset
#undef sqlite3_result_blob
#undef sqlite3_result_double
#undef sqlite3_result_error
#undef sqlite3_result_int64
#undef sqlite3_result_null
#undef sqlite3_result_text
#undef sqlite3_set_authorizer
#undef sqlite3_step
#undef sqlite3_stmt_readonly
#undef sqlite3_uri_int64
#undef sqlite3_user_data
#undef sqlite3_value_blob
#undef sqlite3_value_bytes
#undef sqlite3_value_double
#undef sqlite3_value_int64
#undef sqlite3_value_numeric_type
#undef sqlite3_value_text
#undef sqlite3_value_type
#undef sqlite3_vfs_find
#undef sqlite3_vfs_register
#undef sqlite3_vfs_unregister
#undef sqlite3_vtab_collation
#undef sqlite3_vtab_distinct
#undef sqlite3_vtab_in
#undef sqlite3_vtab_in_first
#undef sqlite3_vtab_in_next
#undef sqlite3_wal_checkpoint_v2
#undef sqlite3_db_readonly
#undef sqlite3_complete
#undef sqlite3_column_value
#undef sqlite3_compileoption_used

HOST int sqlite3_backup_finish(sqlite3_backup *a) { return sqlite3_api->backup_finish(a); }
HOST sqlite3_backup *sqlite3_backup_init(sqlite3 *a, const char *b, sqlite3 *c, const char *d) {
    return sqlite3_api->backup_init(a, b, c, d);
}
HOST int sqlite3_backup_pagecount(sqlite3_backup *a) { return sqlite3_api->backup_pagecount(a); }
HOST int sqlite3_backup_remaining(sqlite3_backup *a) { return sqlite3_api->backup_remaining(a); }
HOST int sqlite3_backup_step(sqlite3_backup *a, int b) { return sqlite3_api->backup_step(a, b); }
HOST int sqlite3_bind_blob(sqlite3_stmt *a, int b, const void *c, int d, void (*e)(void *)) {
    return sqlite3_api->bind_blob(a, b, c, d, e);
}
HOST int sqlite3_bind_blob64(sqlite3_stmt *a, int b, const void *c, sqlite3_uint64 d, void (*e)(void *)) {
    return sqlite3_api->bind_blob64(a, b, c, d, e);
}
HOST int sqlite3_bind_int64(sqlite3_stmt *a, int b, sqlite3_int64 c) { return sqlite3_api->bind_int64(a, b, c); }
HOST int sqlite3_bind_null(sqlite3_stmt *a, int b) { return sqlite3_api->bind_null(a, b); }
HOST int sqlite3_bind_text(sqlite3_stmt *a, int b, const char *c, int d, void (*e)(void *)) {
    return sqlite3_api->bind_text(a, b, c, d, e);
}
HOST int sqlite3_busy_timeout(sqlite3 *a, int b) { return sqlite3_api->busy_timeout(a, b); }
HOST sqlite3_int64 sqlite3_changes64(sqlite3 *a) { return sqlite3_api->changes64(a); }
HOST int sqlite3_clear_bindings(sqlite3_stmt *a) { return sqlite3_api->clear_bindings(a); }
HOST int sqlite3_close_v2(sqlite3 *a) { return sqlite3_api->close_v2(a); }
HOST const void *sqlite3_column_blob(sqlite3_stmt *a, int b) { return sqlite3_api->column_blob(a, b); }
HOST int sqlite3_column_bytes(sqlite3_stmt *a, int b) { return sqlite3_api->column_bytes(a, b); }
HOST int sqlite3_column_count(sqlite3_stmt *a) { return sqlite3_api->column_count(a); }
HOST double sqlite3_column_double(sqlite3_stmt *a, int b) { return sqlite3_api->column_double(a, b); }
HOST sqlite3_int64 sqlite3_column_int64(sqlite3_stmt *a, int b) { return sqlite3_api->column_int64(a, b); }
HOST const char *sqlite3_column_name(sqlite3_stmt *a, int b) { return sqlite3_api->column_name(a, b); }
HOST const unsigned char *sqlite3_column_text(sqlite3_stmt *a, int b) { return sqlite3_api->column_text(a, b); }
HOST int sqlite3_column_type(sqlite3_stmt *a, int b) { return sqlite3_api->column_type(a, b); }
// The settings of the process are those of the program.
HOST int sqlite3_config(int a, ...) { return SQLITE_MISUSE; }
HOST int sqlite3_create_function_v2(
    sqlite3 *a, const char *b, int c, int d, void *e, void (*f)(sqlite3_context *, int, sqlite3_value **),
    void (*g)(sqlite3_context *, int, sqlite3_value **), void (*h)(sqlite3_context *), void (*i)(void *)) {
    return sqlite3_api->create_function_v2(a, b, c, d, e, f, g, h, i);
}
HOST int sqlite3_create_module_v2(sqlite3 *a, const char *b, const sqlite3_module *c, void *d, void (*e)(void *)) {
    return sqlite3_api->create_module_v2(a, b, c, d, e);
}
HOST int sqlite3_db_status(sqlite3 *a, int b, int *c, int *d, int e) { return sqlite3_api->db_status(a, b, c, d, e); }
HOST int sqlite3_declare_vtab(sqlite3 *a, const char *b) { return sqlite3_api->declare_vtab(a, b); }
HOST const char *sqlite3_errmsg(sqlite3 *a) { return sqlite3_api->errmsg(a); }
HOST int sqlite3_error_offset(sqlite3 *a) { return sqlite3_api->error_offset(a); }
HOST const char *sqlite3_errstr(int a) { return sqlite3_api->errstr(a); }
HOST int sqlite3_exec(sqlite3 *a, const char *b, int (*c)(void *, int, char **, char **), void *d, char **e) {
    return sqlite3_api->exec(a, b, c, d, e);
}
HOST int sqlite3_extended_errcode(sqlite3 *a) { return sqlite3_api->extended_errcode(a); }
HOST int sqlite3_finalize(sqlite3_stmt *a) { return sqlite3_api->finalize(a); }
HOST void sqlite3_free(void *a) { sqlite3_api->free(a); }
HOST int sqlite3_get_autocommit(sqlite3 *a) { return sqlite3_api->get_autocommit(a); }
HOST sqlite3_int64 sqlite3_hard_heap_limit64(sqlite3_int64 a) { return sqlite3_api->hard_heap_limit64(a); }
HOST sqlite3_int64 sqlite3_last_insert_rowid(sqlite3 *a) { return sqlite3_api->last_insert_rowid(a); }
HOST const char *sqlite3_libversion(void) { return sqlite3_api->libversion(); }
HOST int sqlite3_libversion_number(void) { return sqlite3_api->libversion_number(); }
HOST int sqlite3_limit(sqlite3 *a, int b, int c) { return sqlite3_api->limit(a, b, c); }
HOST void *sqlite3_malloc64(sqlite3_uint64 a) { return sqlite3_api->malloc64(a); }
HOST sqlite3_stmt *sqlite3_next_stmt(sqlite3 *a, sqlite3_stmt *b) { return sqlite3_api->next_stmt(a, b); }
HOST int sqlite3_open_v2(const char *a, sqlite3 **b, int c, const char *d) {
    return sqlite3_api->open_v2(a, b, c, d);
}
HOST int sqlite3_prepare_v3(sqlite3 *a, const char *b, int c, unsigned int d, sqlite3_stmt **e, const char **f) {
    return sqlite3_api->prepare_v3(a, b, c, d, e, f);
}
HOST void sqlite3_progress_handler(sqlite3 *a, int b, int (*c)(void *), void *d) {
    sqlite3_api->progress_handler(a, b, c, d);
}
HOST int sqlite3_reset(sqlite3_stmt *a) { return sqlite3_api->reset(a); }
HOST void sqlite3_result_blob(sqlite3_context *a, const void *b, int c, void (*d)(void *)) {
    sqlite3_api->result_blob(a, b, c, d);
}
HOST void sqlite3_result_double(sqlite3_context *a, double b) { sqlite3_api->result_double(a, b); }
HOST void sqlite3_result_error(sqlite3_context *a, const char *b, int c) { sqlite3_api->result_error(a, b, c); }
HOST void sqlite3_result_int64(sqlite3_context *a, sqlite3_int64 b) { sqlite3_api->result_int64(a, b); }
HOST void sqlite3_result_null(sqlite3_context *a) { sqlite3_api->result_null(a); }
HOST void sqlite3_result_text(sqlite3_context *a, const char *b, int c, void (*d)(void *)) {
    sqlite3_api->result_text(a, b, c, d);
}
HOST int sqlite3_set_authorizer(
    sqlite3 *a, int (*b)(void*,int,const char*,const char*,const char*,const char *), void *c) {
    return sqlite3_api->set_authorizer(a, b, c);
}
HOST int sqlite3_step(sqlite3_stmt *a) { return sqlite3_api->step(a); }
HOST int sqlite3_stmt_readonly(sqlite3_stmt *a) { return sqlite3_api->stmt_readonly(a); }
HOST sqlite3_int64 sqlite3_uri_int64(sqlite3_filename a, const char *b, sqlite3_int64 c) {
    return sqlite3_api->uri_int64(a, b, c);
}
HOST void *sqlite3_user_data(sqlite3_context *a) { return sqlite3_api->user_data(a); }
HOST const void *sqlite3_value_blob(sqlite3_value *a) { return sqlite3_api->value_blob(a); }
HOST int sqlite3_value_bytes(sqlite3_value *a) { return sqlite3_api->value_bytes(a); }
HOST double sqlite3_value_double(sqlite3_value *a) { return sqlite3_api->value_double(a); }
HOST sqlite3_int64 sqlite3_value_int64(sqlite3_value *a) { return sqlite3_api->value_int64(a); }
HOST int sqlite3_value_numeric_type(sqlite3_value *a) { return sqlite3_api->value_numeric_type(a); }
HOST const unsigned char *sqlite3_value_text(sqlite3_value *a) { return sqlite3_api->value_text(a); }
HOST int sqlite3_value_type(sqlite3_value *a) { return sqlite3_api->value_type(a); }
HOST sqlite3_vfs *sqlite3_vfs_find(const char *a) { return sqlite3_api->vfs_find(a); }
HOST int sqlite3_vfs_register(sqlite3_vfs *a, int b) { return sqlite3_api->vfs_register(a, b); }
HOST int sqlite3_vfs_unregister(sqlite3_vfs *a) { return sqlite3_api->vfs_unregister(a); }
HOST SQLITE_EXPERIMENTAL const char *sqlite3_vtab_collation(sqlite3_index_info *a, int b) {
    return sqlite3_api->vtab_collation(a, b);
}
HOST int sqlite3_vtab_distinct(sqlite3_index_info *a) { return sqlite3_api->vtab_distinct(a); }
HOST int sqlite3_vtab_in(sqlite3_index_info *a, int b, int c) { return sqlite3_api->vtab_in(a, b, c); }
HOST int sqlite3_vtab_in_first(sqlite3_value *a, sqlite3_value **b) { return sqlite3_api->vtab_in_first(a, b); }
HOST int sqlite3_vtab_in_next(sqlite3_value *a, sqlite3_value **b) { return sqlite3_api->vtab_in_next(a, b); }
HOST int sqlite3_wal_checkpoint_v2(sqlite3 *a, const char *b, int c, int *d, int *e) {
    return sqlite3_api->wal_checkpoint_v2(a, b, c, d, e);
}
HOST int sqlite3_db_readonly(sqlite3 *a, const char *b) { return sqlite3_api->db_readonly(a, b); }
HOST sqlite3_value *sqlite3_column_value(sqlite3_stmt *a, int b) { return sqlite3_api->column_value(a, b); }
HOST int sqlite3_compileoption_used(const char *a) { return sqlite3_api->compileoption_used(a); }
HOST int sqlite3_complete(const char *a) { return sqlite3_api->complete(a); }

// Variadic: all that we ask for is a flag.
#undef sqlite3_db_config
HOST int sqlite3_db_config(sqlite3 *a, int b, ...) {
    va_list rest;
    va_start(rest, b);
    int value = va_arg(rest, int);
    int *found = va_arg(rest, int *);
    va_end(rest);
    return sqlite3_api->db_config(a, b, value, found);
}

// Only a connection that writes has the hook, and extensions are not given it.
HOST void *sqlite3_preupdate_hook(
    sqlite3 *a, void (*b)(void*,sqlite3*,int,char const*,char const*,sqlite3_int64,sqlite3_int64), void *c) {
    return NULL;
}
HOST int sqlite3_preupdate_old(sqlite3 *a, int b, sqlite3_value **c) { return SQLITE_MISUSE; }
HOST int sqlite3_preupdate_new(sqlite3 *a, int b, sqlite3_value **c) { return SQLITE_MISUSE; }

// In the code that reads spools: a message for the user in memory of SQLite's, or NULL when all is there.
extern char *holdfast_audit_extend(sqlite3 *database);

int sqlite3_extension_init(sqlite3 *database, char **message, const sqlite3_api_routines *api) {
    // 3.38 has the last of the functions above.
    if (api->libversion_number() < 3038000) return SQLITE_ERROR;
    SQLITE_EXTENSION_INIT2(api);
    char *failure = holdfast_audit_extend(database);
    if (failure) {
        if (message) *message = failure; else sqlite3_api->free(failure);
        return SQLITE_ERROR;
    }
    // Its code stays as long as the process: what it has begun cannot be taken back.
    return SQLITE_OK_LOAD_PERMANENTLY;
}
