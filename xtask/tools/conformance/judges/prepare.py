"""Makes the keys, lets the emulator trust them, and prints a token of another issuer, for the judges in Node."""

from judge import federated, trust

trust()
print(federated())
