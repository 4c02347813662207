"""What works on the project itself and is no part of the product: nothing here is in the wheel."""
