/* What a node writes into its log of facts and of envelopes. */
#ifndef MOONPOST_JOURNAL_H
#define MOONPOST_JOURNAL_H

#include "script/script.h"

enum { JOURNAL_TEXT_MAX = 1024 };

/* The facts that are worth a line. */
uint32_t journal_facts(void);

/* The line of a fact. `buffer` (JOURNAL_TEXT_MAX bytes each) holds text and fields. False: none. */
bool journal_fact(const struct fact *fact, struct log_record *record, char *text, char *fields);

/* The agent of an `attached` fact, added to its line. */
void journal_agent(const struct agent_declaration *agent, struct log_record *record, char *text);

/* The line of an envelope on its way: one frame. */
bool journal_frame(bool outgoing, struct span peer, const struct frame *frame, size_t bytes,
                   struct log_record *record, char *text, char *fields);

#endif
