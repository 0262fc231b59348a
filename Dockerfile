# The image of every settled process: worker, ingest, migrate, whichever command is given. The sources are the program.
FROM node:20-bookworm-slim

# TLS to Temporal and Cassandra needs the authorities that systems trust.
RUN apt-get update \
  && apt-get install --yes --no-install-recommends ca-certificates \
  && rm -rf /var/lib/apt/lists/*

WORKDIR /settled
COPY package.json package-lock.json ./
# The packages' install scripts are not needed: what is native comes prebuilt.
RUN npm ci --omit=dev --ignore-scripts
COPY tsconfig.json ./
COPY bin bin
COPY src src
COPY stack stack

USER node
ENV NODE_ENV=production
ENTRYPOINT ["node", "bin/settled.mjs"]
CMD ["worker"]
