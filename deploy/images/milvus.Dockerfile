FROM lab/debian
COPY bin/milvus /milvus/bin/
COPY bin/*.so* /milvus/lib/
COPY configs /milvus/configs
ENV PATH=/milvus/bin:/usr/bin:/bin LD_LIBRARY_PATH=/milvus/lib
WORKDIR /milvus
ENTRYPOINT ["/usr/bin/tini", "--"]
