"""`python -m vlasync`, which is what `accelerate launch -m vlasync` runs."""

from vlasync.cli import main

main()
