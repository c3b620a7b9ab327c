mod config;
mod edm;
mod metadata;
