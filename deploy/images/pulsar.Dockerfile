FROM lab/debian
COPY lib /pulsar/lib
COPY log4j2.xml opens /pulsar/conf/
COPY pulsar /pulsar/bin/
WORKDIR /pulsar
USER 10000:0
