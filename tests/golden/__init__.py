"""Recorded facts of real Postfix, played against Gatepost: `make golden [GOLDEN=DIR] [OPTIONS='-v --name REGEX']`.

Every case gets a mail system of its own in a namespace of its own (own loopback, own name service, own users), so cases run
side by side and nothing of the machine shows. Root is needed for that.
"""
