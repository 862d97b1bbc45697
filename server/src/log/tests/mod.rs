mod damage;
mod model;
mod scripts;
mod suite;
