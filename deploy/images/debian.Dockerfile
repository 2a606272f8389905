FROM lab/debian
