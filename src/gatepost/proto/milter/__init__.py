"""The milter protocol, sans-IO: an MTA's side of a mail filter's session.

No standard describes it. The source is what libmilter's public headers (mfdef.h, mfapi.h) name, MILTER_README of Postfix, and what
filters and Postfix were seen to send one another.

    packets       framing: a length, a letter, data
    negotiation   what either side can do: version, actions, steps, and which macros are wanted
    commands      what an MTA sends
    answers       what a filter says: verdicts and edits
    conversation  a session: which command is sent when, and which of them is answered
"""
