"""Compile what the modules named by the arguments import, once and for all: python bytecode.py MODULE...

Bytecode that carries a hash in place of the source's time stays good when files are copied into another image.
"""

import importlib
import py_compile
import sys

for name in sys.argv[1:]:
    importlib.import_module(name)
for module in list(sys.modules.values()):
    source = getattr(module, "__file__", None) or ""
    if source.endswith(".py") and source != __file__:
        py_compile.compile(source, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
