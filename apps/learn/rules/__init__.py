"""Rules by which class vectors are learned, one file each."""
