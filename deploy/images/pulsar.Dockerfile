FROM lab/debian
COPY lib /pulsar/lib
COPY log4j2.xml opens /pulsar/conf/
COPY pulsar /pulsar/bin/
RUN mkdir /pulsar/data && chown -R 10000:0 /pulsar/data
WORKDIR /pulsar
USER 10000:0
