#pragma once
#include <sqlite3.h>

// sqlite3_db_config is variadic: Swift cannot call it. <https://sqlite.org/c3ref/db_config.html>
static inline int holdfast_sqlite_db_config_flag(sqlite3 *database, int operation, int value) {
    return sqlite3_db_config(database, operation, value, (int *)0);
}
