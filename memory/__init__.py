"""What is remembered about a user, and where: never a photo, a face crop or an embedding."""
