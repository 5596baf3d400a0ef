"""Milters: filters of Sendmail's protocol (MILTER_README), each one gate of the admission pipeline.

settings  the parameters, and which filters a list names, each with its own options
macros    what a filter is told beside a command (`{mail_addr}`, `i` ...)
gate      a filter as a gate; its guard keeps a connection for each session and knows what still holds there
content   the message as a filter is told it
verdicts  what a filter's answer means for the mail
editing   what it wants changed, as edits of a draft
"""
