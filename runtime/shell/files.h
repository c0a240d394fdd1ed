/* Files and folders, for the command line's program. */
#ifndef MOONPOST_FILES_H
#define MOONPOST_FILES_H

#include <lua.h>

/* Remove a file or a folder with everything in it; links are not followed. 0 or an errno. */
int files_remove(const char *path);

/* Lua functions of module moonpost.shell; each answers nil, reason, code on failure.
 *   read_file(path) -> text              list(pattern) -> sorted paths that match the glob
 *   kind(path) -> "file", "folder" or nil        remove_tree(path) -> true
 *   make_folder(path) -> true; it must not exist, its parent must
 *   copy_tree(from, to) -> true; `to` must not exist
 *   cwd() -> path                        exe() -> path of this executable
 *   isatty("stdin" | "stdout" | "stderr") -> boolean
 *   columns() -> width of the terminal that is standard output, or nil */
int files_read(lua_State *L);
int files_list(lua_State *L);
int files_kind(lua_State *L);
int files_remove_tree(lua_State *L);
int files_make_folder(lua_State *L);
int files_copy_tree(lua_State *L);
int files_cwd(lua_State *L);
int files_exe(lua_State *L);
int files_isatty(lua_State *L);
int files_columns(lua_State *L);

#endif
