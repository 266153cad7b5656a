"""Code that runs in another interpreter, without this package: ASE calculators and a server for them."""
