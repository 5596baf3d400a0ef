"""Every parser and protocol core under random octets (`make fuzz`): nothing undeclared is raised, and what is promised holds.

`cores.py` is the table of them; a core is a function from octets to nothing that asserts. `seeds/NAME/` holds inputs that begin
its exploration, and every input that once found a fault; tests/unit/test_seeds.py replays them all in the unit suite.
"""
