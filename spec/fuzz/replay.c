/* Play inputs of a fuzzer again without its engine: replay FILE|FOLDER ...
 * What aborts or leaks is a failure of the process; otherwise it says how many it played. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include "tape.h"

static unsigned played;

static void play_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct stat stat;
    if (!file || fstat(fileno(file), &stat) != 0) {
        fprintf(stderr, "replay: %s cannot be read\n", path);
        exit(2);
    }
    size_t size = (size_t)stat.st_size;
    uint8_t *bytes = malloc(size + 1);
    ensure(bytes != NULL && fread(bytes, 1, size, file) == size);
    fclose(file);
    fprintf(stderr, "%s\n", path); /* the last one is the one that failed */
    LLVMFuzzerTestOneInput(bytes, size);
    free(bytes);
    played++;
}

static void play_folder(const char *path)
{
    struct dirent **entries;
    int count = scandir(path, &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        char name[4096];
        snprintf(name, sizeof name, "%s/%s", path, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.') play_file(name);
        free(entries[i]);
    }
    if (count >= 0) free(entries);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        struct stat stat_of;
        bool folder = stat(argv[i], &stat_of) == 0 && S_ISDIR(stat_of.st_mode);
        if (folder)
            play_folder(argv[i]);
        else
            play_file(argv[i]);
    }
    printf("%u played\n", played);
    return 0;
}
