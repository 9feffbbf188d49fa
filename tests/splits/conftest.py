import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # shop_links, shared by these tests
