"""Message passing, layers and models over destination-sorted edges."""
