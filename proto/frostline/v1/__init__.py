"""Messages and services of the contract, generated from the .proto files beside this one."""
