#pragma once
#include <sqlite3ext.h>

// What SQLite calls when it loads the extension.
int sqlite3_extension_init(sqlite3 *database, char **message, const sqlite3_api_routines *api);
