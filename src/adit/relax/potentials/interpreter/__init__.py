"""What runs in another interpreter, without this package: ASE calculators, and a server that answers with them."""
