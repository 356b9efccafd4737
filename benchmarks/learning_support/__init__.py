"""What learning.py compares with: true models, and peers for finite environments."""
