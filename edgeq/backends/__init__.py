"""The other real runtimes of int8 models, each behind one small door: extra [backends]."""
