"""From queries to hits: rankings, fusion, diversity, grouping, reading."""
