"""Recipes that look at each example again and again.

scikit-learn, which fits most of them, takes two seconds to import: each imports it when it is used.
"""
