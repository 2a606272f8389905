FROM lab/debian
COPY minio /usr/local/bin/
